"""What a battery passport says: elements, values, grants and the one way out (`view.select`).  Pure."""
