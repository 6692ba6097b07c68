"""What a live stream gives its pictures and parsings to."""
