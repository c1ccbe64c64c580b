"""Networks that fill what is truly lost (thumbnail-guided compensation and alignment, GCA); all they make is synthetic.

The only room that imports torch, and only where a network runs.
"""
