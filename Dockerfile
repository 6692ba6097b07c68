# The service in a container: no compiler, no window, nobody's rights. `docs/web.md` says how it is run.
FROM python:3.12-slim AS wheels
WORKDIR /build
COPY . .
# What is drawn here needs no window: the headless build of OpenCV, of the same version, takes the place of the one with
# GUI libraries.
RUN pip wheel --no-cache-dir --wheel-dir /wheels -c constraints.txt ".[web]" \
    && rm -f /wheels/opencv_python-*.whl \
    && sed -n 's/^opencv-python==/opencv-python-headless==/p' constraints.txt > /headless.txt \
    && pip wheel --no-cache-dir --wheel-dir /wheels --no-deps -r /headless.txt

FROM python:3.12-slim
RUN --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-deps /wheels/*.whl \
    && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin streamer \
    && mkdir /data && chown 10001:10001 /data \
    && python -c "import cv2, av, openvino, streamer.web.server, streamer.stills.main, streamer.web.streams.host"
USER 10001
VOLUME /data
EXPOSE 7860
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 M2FP_STREAMER_CACHE=/data/cache
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s CMD ["streamer", "health"]
ENTRYPOINT ["streamer"]
CMD ["serve", "--host", "0.0.0.0", "--data", "/data"]
