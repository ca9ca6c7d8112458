-- counts
UPDATE flights SET late = 1;
