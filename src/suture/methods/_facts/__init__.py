"""What methods that write facts in closed form share: keys, values, statistics, and batches over blocks."""
