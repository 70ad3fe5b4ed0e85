"""Document availability as other catalogues ask for it: DAIA 1.0, https://gbv.github.io/daia/daia.html.

`identifiers` says which titles are meant, `holdings` where their copies are, `documents` writes that as DAIA has it.
"""
