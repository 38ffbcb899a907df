"""A fleet of which many are sick: 10% say nothing after the TCP connection, 5% drop their connection now and then, 2%
answer with garbage and 1% hang in the middle of a command; no phone has two faults. And how a job may end on each."""

HEALTHY = "healthy"
EXPECTED = {
    HEALTHY: {"ok"},
    "silent": {"DROVER.JOB.OFFLINE"},
    # Expired: its link came back in the last moment, too late for what had to be stored first.
    "flap": {"ok", "DROVER.JOB.DISCONNECTED", "DROVER.JOB.OFFLINE", "DROVER.JOB.EXPIRED"},
    "garbage": {"DROVER.JOB.OFFLINE"},
    "hang": {"DROVER.JOB.TIMEOUT"},
}


def fault_of(phone):
    if phone % 10 == 9:
        return "silent"
    if phone % 20 == 10:
        return "flap"
    if phone % 50 == 44:
        return "garbage"
    if phone % 100 == 98:
        return "hang"
    return HEALTHY


def fall_ill(simulator, flap_every):
    """Sets all the faults; of flapping phones so many seconds. Silent ones lose their links first, so that they fall
    silent after the TCP connection, not in the middle of a conversation."""
    for phone in range(simulator.phones):
        fault = fault_of(phone)
        if fault == "silent":
            simulator.control("fault %d absent" % phone)
        if fault != HEALTHY:
            simulator.control("fault %d %s" % (phone, "flap:%g" % flap_every if fault == "flap" else fault))
        if fault == "silent":
            simulator.control("clear %d absent" % phone)


def wrong_codes(jobs):
    """What no phone of that kind may answer: (phone, its fault, code, message) of each such job of a task over all."""
    found = []
    for phone, job in enumerate(jobs):
        code = job["error_code"] or "ok"
        if code not in EXPECTED[fault_of(phone)]:
            found.append((phone, fault_of(phone), code, job["error_msg"]))
    return found
