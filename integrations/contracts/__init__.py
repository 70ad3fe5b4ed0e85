"""Requests as other specifications write them, one module for each: thin, over the services of the desk."""
