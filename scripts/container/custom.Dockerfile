# An image with its own server, as in the original's fourth example:
#   docker build -f custom.Dockerfile -t custom-sync .
#   docker run -d --name custom-sync --restart on-failure -v "$(pwd)"/data:/data custom-sync
FROM irsync
# If the server asks for a password. Better: docker run --env-file, which leaves it out of the image.
ENV RSYNC_PASSWORD=password
CMD ["-pvrt", "--modify-window=30", "--delete", "--exclude=fun", "rsync://sync@rsync.example.com:873/data/", "/data"]
