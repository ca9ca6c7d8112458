DELETE FROM flights;
INSERT INTO report SELECT '${bizdte}', '航班', ${nobody};
