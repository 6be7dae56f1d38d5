"""How the server bears size and time: large notebooks, many of them, many clients, many calls."""
