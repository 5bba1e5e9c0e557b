"""Photographs, faces and crops: what is read, found, cropped and pasted back."""
