"""What is known of each molecule of the frame shown, and how that looks."""
