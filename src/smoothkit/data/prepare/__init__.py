"""Making data sets that two or more systems train on. Nothing here is needed to read one."""
