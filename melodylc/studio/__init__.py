"""The studio: a page in the browser, served by this machine to itself.

    page  ->  guard  ->  routes  ->  studio  ->  plan, change, fitting, history, files
                                             ->  kept  ->  records, shelf

`guard` lets nobody in but the page; `routes` turns JSON into values and back; `studio` is what can be done, without a
word of HTTP; `kept` is the history of the day before. The page, plain HTML and ES modules, lies in the folder `page`.
"""
