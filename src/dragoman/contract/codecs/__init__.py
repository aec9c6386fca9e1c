"""The codecs, one file each; the only modules that know msgspec."""
