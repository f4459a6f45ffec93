"""The dock that localizes molecules, in the frame shown and in all frames."""
