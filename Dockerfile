# holdfast as a container: see docs/how-to/run-it.md. Two stages, so that nothing that builds is in what runs.
FROM python:3.11-slim AS build
WORKDIR /build
COPY pyproject.toml README.md LICENSE ./
COPY requirements/run.txt requirements/run.txt
COPY src src
RUN python -m venv /opt/holdfast \
    && /opt/holdfast/bin/pip install --no-cache-dir --require-hashes -r requirements/run.txt \
    && /opt/holdfast/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.11-slim
# Nobody's account, with a fixed number so that volumes can be given to it.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin holdfast \
    && install -d -o 10001 -g 10001 -m 0700 /var/lib/holdfast \
    && install -d -o root -g 10001 -m 0750 /etc/holdfast
COPY --from=build /opt/holdfast /opt/holdfast
ENV PATH=/opt/holdfast/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    HOLDFAST_STATE_DIR=/var/lib/holdfast \
    HOLDFAST_CONFIG=/etc/holdfast/holdfast.toml
USER 10001:10001
VOLUME /var/lib/holdfast
EXPOSE 8717
STOPSIGNAL SIGTERM
# The process and its loop; whether venues answer is /readyz, which an orchestrator asks for itself.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8717/livez', timeout=2)"]
ENTRYPOINT ["holdfast"]
CMD ["up", "--port", "8717"]
