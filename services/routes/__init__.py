"""The dialects: one file each, with wire types, their mapping to values, and endpoints. Deleting one deletes it."""
