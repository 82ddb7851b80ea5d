# All of ringlog: `python -m metadata_svc`, `partition_svc`, `gateway_svc`, and the `ringlog` command.
#
#   docker build -t ringlog .
#   docker run --rm -p 127.0.0.1:9092:9092 ringlog         the broker in one process
ARG BASE_IMAGE=python:3.13-slim

FROM ${BASE_IMAGE} AS build
WORKDIR /src

# What ringlog needs, without ringlog: a change of the code leaves this layer as it is.
COPY constraints.txt pyproject.toml ./
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" \
      > requirements.txt \
 && python -m venv --without-pip /opt/venv \
 && pip --python /opt/venv/bin/python install --no-cache-dir --disable-pip-version-check \
      --constraint constraints.txt --requirement requirements.txt \
 && echo /opt/ringlog > "$(/opt/venv/bin/python -c 'import site; print(site.getsitepackages()[0])')/ringlog.pth"

COPY . .
RUN pip --python /opt/venv/bin/python install --no-cache-dir --disable-pip-version-check \
      --no-deps --target /opt/ringlog .

FROM ${BASE_IMAGE}
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin ringlog \
 && install --directory --owner ringlog --group ringlog /var/lib/ringlog
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/ringlog /opt/ringlog
ENV PATH=/opt/ringlog/bin:/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /var/lib/ringlog
USER 10001:10001
# Kafka, and the gRPC servers of gateway, partition service and metadata service.
EXPOSE 9092 9192 9292 9392
HEALTHCHECK --interval=5s --timeout=10s --start-period=30s CMD ["ringlog", "health"]
CMD ["ringlog", "standalone", "--listen", "0.0.0.0:9092", "--grpc-listen", "0.0.0.0:9192", \
     "--data-dir", "/var/lib/ringlog", "--set", "advertised.listeners=PLAINTEXT://localhost:9092"]
