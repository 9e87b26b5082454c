"""What moves: clock, wires, lane, owner lock, supervisor, broker and desk; the only room with tasks."""
