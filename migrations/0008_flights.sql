-- Who is alone in flight stands in a file of the process that knows (`delivery::flights`).
ALTER TABLE suspects DROP COLUMN trial;
