"""`python -m dragoman.guest`: what a keeper starts inside a Python worker."""

from dragoman.guest.main import main

if __name__ == "__main__":
    main()
