"""The zoo's torch networks, at any width."""

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - torch's own custom

LABELS = 10


def convolved(read: int, give: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Return a convolution with batch normalisation."""
    pads = kernel // 2
    layer = nn.Conv2d(read, give, kernel, stride, pads, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(give))


class Residual(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(self, read: int, give: int, stride: int) -> None:
        super().__init__()
        self.one = convolved(read, give, 3, stride)
        self.two = convolved(give, give)
        same = read == give and stride == 1
        self.shortcut = nn.Identity() if same else convolved(read, give, 1, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the block's output."""
        return F.relu(self.two(F.relu(self.one(x))) + self.shortcut(x))


class ResNet(nn.Module):
    """Stages of blocks, all of a stage after its first of one shape."""

    def __init__(self, width: int, depths: tuple[int, ...]) -> None:
        super().__init__()
        blocks: list[nn.Module] = [convolved(3, width), nn.ReLU()]
        channels = width
        for stage, depth in enumerate(depths):
            give = width << stage
            for turn in range(depth):
                blocks.append(Residual(channels, give, 2 if turn == 0 and stage > 0 else 1))
                channels = give
        self.body = nn.Sequential(*blocks)
        self.head = nn.Linear(channels, LABELS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits."""
        return self.head(self.body(x).mean((2, 3)))


class DenseNet(nn.Module):
    """Layers that each read every one before, concatenated, and a transition."""

    def __init__(self, growth: int, layers: int) -> None:
        super().__init__()
        self.stem = convolved(3, growth)
        reads = [growth * (turn + 1) for turn in range(layers)]
        self.first = nn.ModuleList(convolved(read, growth) for read in reads)
        self.second = nn.ModuleList(convolved(read, growth) for read in reads)
        wide = growth * (layers + 1)
        self.transition = convolved(wide, growth, 1)
        self.head = nn.Linear(wide, LABELS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits."""
        x = F.relu(self.stem(x))
        for layer in self.first:
            x = torch.cat([x, F.relu(layer(x))], 1)
        x = F.avg_pool2d(F.relu(self.transition(x)), 2)
        for layer in self.second:
            x = torch.cat([x, F.relu(layer(x))], 1)
        return self.head(F.adaptive_avg_pool2d(x, 1).flatten(1))


class UNet(nn.Module):
    """Two steps down, one up by transposed convolution, one by bilinear resizing."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.one = convolved(3, width)
        self.two = convolved(width, 2 * width, 3, 2)
        self.three = convolved(2 * width, 4 * width, 3, 2)
        self.up = nn.ConvTranspose2d(4 * width, 2 * width, 3, 2, 1, 1)
        self.four = convolved(4 * width, 2 * width)
        self.five = convolved(3 * width, width)
        self.out = nn.Conv2d(width, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return a mask per class, as large as the image."""
        one = F.relu(self.one(x))
        two = F.leaky_relu(self.two(one), 0.1)
        three = F.relu(self.three(two))
        four = F.relu(self.four(torch.cat([self.up(three), two], 1)))
        large = F.interpolate(four, scale_factor=2.0, mode="bilinear", align_corners=False)
        return torch.sigmoid(self.out(F.relu(self.five(torch.cat([large, one], 1)))))


class Attention(nn.Module):
    """Multi-head self-attention written out."""

    def __init__(self, width: int, heads: int, *, causal: bool) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.query, self.key, self.value, self.out = (
            nn.Linear(width, width) for _ in range(4)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return what each position has read from the others."""
        batch, length, width = x.shape
        size = width // self.heads
        query, key, value = (
            part(x).reshape(batch, length, self.heads, size).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        scores = query @ key.transpose(-1, -2) / size**0.5
        if self.causal:
            row = torch.arange(length)
            scores = scores.masked_fill(row[None, :] > row[:, None], -1e4)
        mixed = scores.softmax(-1) @ value
        return self.out(mixed.transpose(1, 2).reshape(batch, length, width))


class Block(nn.Module):
    """A transformer block, normalised before or after."""

    def __init__(self, width: int, heads: int, *, first: bool, causal: bool) -> None:
        super().__init__()
        self.first = first
        self.attention = Attention(width, heads, causal=causal)
        self.one, self.two = nn.LayerNorm(width), nn.LayerNorm(width)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        for norm in (self.one, self.two):
            nn.init.uniform_(norm.weight, 0.7, 1.3)
            nn.init.uniform_(norm.bias, -0.3, 0.3)

    def feed(self, x: torch.Tensor) -> torch.Tensor:
        """Return the feed-forward half."""
        return self.narrow(F.gelu(self.wide(x)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the block's output."""
        if self.first:
            x = x + self.attention(self.one(x))
            return x + self.feed(self.two(x))
        x = self.one(x + self.attention(x))
        return self.two(x + self.feed(x))


class ViT(nn.Module):
    """Patches, a class token, positions, blocks normalised first."""

    def __init__(self, side: int, patch: int, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, width, patch, patch)
        places = (side // patch) ** 2 + 1
        self.token = nn.Parameter(torch.randn(1, 1, width))
        self.place = nn.Parameter(0.5 * torch.randn(1, places, width))
        self.blocks = nn.Sequential(
            *(Block(width, heads, first=True, causal=False) for _ in range(depth))
        )
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, LABELS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits."""
        parts = self.patch(x).flatten(2).transpose(1, 2)
        token = self.token.expand(x.shape[0], -1, -1)
        x = torch.cat([token, parts], 1) + self.place
        return self.head(self.norm(self.blocks(x))[:, 0])


class Encoder(nn.Module):
    """BERT's encoder: embeddings, blocks normalised after, a pooled label."""

    def __init__(self, words: int, width: int, depth: int, heads: int, length: int) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(words, width), nn.Embedding(length, width)
        self.norm = nn.LayerNorm(width)
        self.blocks = nn.Sequential(
            *(Block(width, heads, first=False, causal=False) for _ in range(depth))
        )
        self.pool, self.head = nn.Linear(width, width), nn.Linear(width, LABELS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits."""
        places = torch.arange(x.shape[1])
        x = self.blocks(self.norm(self.words(x) + self.places(places)))
        return self.head(torch.tanh(self.pool(x[:, 0])))


class Decoder(nn.Module):
    """A GPT-like decoder of two blocks, causal, any length; its head is its embedding."""

    def __init__(self, words: int, width: int, heads: int) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(words, width), nn.Embedding(512, width)
        self.blocks = nn.Sequential(
            *(Block(width, heads, first=True, causal=True) for _ in range(2))
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits over the vocabulary at each position."""
        places = torch.arange(x.shape[1])
        x = self.norm(self.blocks(self.words(x) + self.places(places)))
        return x @ self.words.weight.T


class LSTM(nn.Module):
    """Two LSTM layers, both directions, and a label from the last step."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.memory = nn.LSTM(width, hidden, 2, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * hidden, LABELS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits."""
        return self.head(self.memory(x)[0][:, -1])


class GRU(nn.Module):
    """A GRU layer between dense ones, and a label from the mean over time."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, hidden)
        self.memory = nn.GRU(hidden, hidden, batch_first=True)
        self.head = nn.Linear(hidden, LABELS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits."""
        return self.head(self.memory(torch.tanh(self.dense(x)))[0].mean(1))


class Memories(nn.Module):
    """An LSTM and a GRU, one behind the other."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.first = nn.LSTM(width, hidden, batch_first=True)
        self.second = nn.GRU(hidden, hidden, batch_first=True)
        self.head = nn.Linear(hidden, LABELS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits."""
        return self.head(self.second(self.first(x)[0])[0][:, -1])
