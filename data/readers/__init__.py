"""Corpora from elsewhere: files of people's own, BioCite, prepared folders at a url; `corpora` finds them by name."""
