import { describe, expect, it } from "vitest";

import { ApiError, MAX_ATTEMPTS, problemFrom, retryAfterSeconds, retryDelayMs } from "./errors.js";

describe("problemFrom", () => {
  it("keeps code, place and request id of a problem", () => {
    const body = JSON.stringify({
      type: "about:blank", title: "Bad Request", status: 400, code: "bad_field",
      detail: "quantity must be at least 1", where: "lines[0].quantity", request_id: "01J",
    });
    const error = problemFrom(400, body, 3);
    expect(error).toBeInstanceOf(ApiError);
    expect({ ...error }).toMatchObject({
      status: 400, code: "bad_field", detail: "quantity must be at least 1", where: "lines[0].quantity",
      retryAfter: 3, requestId: "01J",
    });
  });

  it("reads anything else as its status alone", () => {
    for (const body of ["", "<html>502</html>", "[]", "null", '"text"', '{"code": 7}']) {
      const error = problemFrom(502, body, null);
      expect(error.status).toBe(502);
      expect(error.code).toBe("unreadable_answer");
    }
  });
});

describe("retryAfterSeconds", () => {
  it("takes seconds and dates", () => {
    const now = Date.UTC(2026, 0, 1);
    expect(retryAfterSeconds("7", now)).toBe(7);
    expect(retryAfterSeconds(new Date(now + 9_500).toUTCString(), now)).toBe(9);
    expect(retryAfterSeconds(new Date(now - 60_000).toUTCString(), now)).toBe(0);
    expect(retryAfterSeconds("soon", now)).toBeNull();
    expect(retryAfterSeconds(null, now)).toBeNull();
  });
});

describe("retryDelayMs", () => {
  const error = (status: number, retryAfter: number | null = null) =>
    new ApiError(status, "x", "", null, retryAfter);

  it("never repeats what is not repeatable", () => {
    for (const status of [0, 502, 503, 504]) expect(retryDelayMs(false, 1, error(status), 0.5)).toBeNull();
  });
  it("never repeats a verdict", () => {
    for (const status of [400, 401, 404, 409, 422, 429, 500]) expect(retryDelayMs(true, 1, error(status), 0.5)).toBeNull();
  });
  it("backs off with jitter and gives up", () => {
    expect(retryDelayMs(true, 1, error(503), 0)).toBe(0);
    expect(retryDelayMs(true, 1, error(0), 0.5)).toBe(400);
    expect(retryDelayMs(true, 2, error(0), 0.5)).toBe(800);
    expect(retryDelayMs(true, MAX_ATTEMPTS, error(0), 0.5)).toBeNull();
  });
  it("waits as long as it is told, but does not hang for it", () => {
    expect(retryDelayMs(true, 1, error(503, 2), 0)).toBe(2000);
    expect(retryDelayMs(true, 1, error(503, 60), 0)).toBeNull();
  });
});
