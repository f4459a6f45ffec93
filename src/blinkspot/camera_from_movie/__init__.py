"""What a movie says of its camera: measured, held against what was typed, and whether its noise is white."""
