"""The weights that come with the package: a folder of data files, with no code of its own.

``importlib.resources.files("melodylc.pretrained")`` finds them, installed or not.
"""
