"""The service: a page and an API over HTTP on one's own machine. Needs the extra ``serve``; never torch."""
