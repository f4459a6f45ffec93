"""After the fits: filters, duplicate removal, merging of blinks; each step recorded in the table."""
