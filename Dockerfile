# slic on the CPU, for the videos in the current folder:
#
#   docker build --tag slic .
#   docker run --rm --shm-size=2g --volume "$PWD:/data" --user "$(id -u):$(id -g)" slic index . --out index
#   docker run --rm --publish 127.0.0.1:7542:7542 --volume "$PWD:/data" --user "$(id -u):$(id -g)" \
#     slic studio index --host 0.0.0.0 --no-browser
FROM python:3.13-slim AS build
WORKDIR /src
# The CPU build of PyTorch is on its own index; it saves more than 4 GB.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY src src
RUN python -m venv /opt/slic \
    && /opt/slic/bin/pip install --no-cache-dir --constraint constraints.txt --index-url "$TORCH_INDEX" \
        torch torchvision \
    && /opt/slic/bin/pip install --no-cache-dir --constraint constraints.txt ".[search,studio,torchvision]"

FROM python:3.13-slim
COPY --from=build /opt/slic /opt/slic
# Others than user 1000 may write too, for `docker run --user`.
RUN useradd --create-home --uid 1000 slic && mkdir /data && chmod 1777 /data /home/slic
ENV PATH=/opt/slic/bin:$PATH HOME=/home/slic
USER 1000
WORKDIR /data
EXPOSE 7542
ENTRYPOINT ["slic"]
CMD ["doctor"]
