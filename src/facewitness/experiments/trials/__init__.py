"""``facewitness experiments``: ``recipe`` says what is asked, ``lab`` trains, ``judge`` measures, ``page`` shows."""
