"""How good a parser is: figures from pictures, labels and videos."""
