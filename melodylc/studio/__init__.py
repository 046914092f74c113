"""The studio: a page in the browser, served by this machine to who knows its secret.

    page  ->  access  ->  routes  ->  studio  ->  backend, variation, fitting, history
                                      views, export           history  ->  archive

`access` lets nobody in without the secret; `routes` turns JSON into values and back; `studio` is what can be done,
without a word of HTTP; `backend` and `variation` are all that it asks of models; `archive` is the history of the day
before. The page, plain HTML and ES modules, lies in the folder `page`; `openapi.json` describes the routes.
"""
