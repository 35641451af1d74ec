"""An independent check of a matcher's result, written from the interchange formats alone."""
