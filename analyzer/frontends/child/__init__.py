"""A framework in a process of its own, so that its crash is one message, not ours.

`client` is the end that pivotfix holds, ``python -m analyzer.frontends.child`` the other.
Requests and replies are lines of JSON on two private pipes, since frameworks write to
standard output as they please; arrays travel through a private folder.
"""
