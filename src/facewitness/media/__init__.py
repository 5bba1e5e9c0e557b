"""Photographs, faces and crops: what is read, found, cut and pasted back."""
