"""The sections of a lake on the page; each is a function from an opened lake to a `Section`.

Not here: the order of the sections (`transforms.views.page.write`).
"""
