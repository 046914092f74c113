"""The studio: a page in the browser, served by this machine to itself.

    page  ->  guard  ->  routes  ->  studio  ->  plan, change, fitting, history, files

`guard` lets nobody in but the page; `routes` turns JSON into values and back; `studio` is what can be done, without a
word of HTTP. The page, plain HTML and ES modules, lies in the folder `page`.
"""
