# facewitness serve, without torch. See docs/deploy.md.
FROM python:3.12-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN python -m venv /opt/facewitness && /opt/facewitness/bin/pip install --no-cache-dir ".[serve,heif]"

FROM python:3.12-slim
RUN useradd --system --uid 10001 --home-dir /data facewitness && install -d -o facewitness /data
COPY --from=build /opt/facewitness /opt/facewitness
ENV PATH=/opt/facewitness/bin:$PATH PYTHONUNBUFFERED=1 XDG_CACHE_HOME=/tmp
USER facewitness
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["facewitness", "serve", "--host", "0.0.0.0", "--data", "/data", "--token", "/run/token"]
