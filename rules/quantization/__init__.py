"""Integer grids: scales, zero points, calibrated ranges."""
