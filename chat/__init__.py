"""What people say to each other in a room: lines, likes, names, and the moderation of it."""
