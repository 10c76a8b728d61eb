"""What the black-box tests share: they drive the program by its command line, its environment, SMTP and HTTP alone."""
