SELECT 1
-- Straﬂe
