"""What files and cameras share; nothing is opened here."""
