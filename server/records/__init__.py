"""Sessions, their events and the records that are proposed and approved."""
