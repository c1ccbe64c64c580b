"""Frozen, slotted value objects, one file per stage; they hold data and no behaviour beyond simple derived values."""
