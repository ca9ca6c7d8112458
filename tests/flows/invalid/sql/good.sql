DELETE FROM flights;
