# SPDX-License-Identifier: MIT
"""What stands behind tools/feuer.  Python 3.9 or later, standard library only.

The modules import each other lazily where that keeps `feuer exec` quick to start.
"""
