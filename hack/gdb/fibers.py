"""gdb commands for fibers: source hack/gdb/fibers.py

  info fibers          all fibers of the reactor of the selected thread, with state, name and where they wait
  fiber ID             backtrace of one fiber (also of a suspended one)
  fiber all            backtraces of all

Suspended fibers keep six registers on their own stack (broker/reactor/context_x86_64.S); the commands load them into
the selected thread for the backtrace and put the old ones back. x86-64 live processes only: a core dump has no
registers to set, so there only the name, the state and the innermost return address are shown.
"""
import contextlib
import os

import gdb

STATES = ["idle", "ready", "running", "suspended", "ended"]
# Above the saved stack pointer: r15 r14 r13 r12 rbx rbp, then the address to return to.
SAVED = ["r15", "r14", "r13", "r12", "rbx", "rbp"]


def reactor():
    value = gdb.parse_and_eval("reactor_here")
    if int(value) == 0:
        raise gdb.GdbError("the selected thread runs no reactor; try: thread apply all info fibers")
    return value.dereference()


def fibers():
    fiber_type = gdb.lookup_type("struct fiber")
    offset = [f for f in fiber_type.fields() if f.name == "alive"][0].bitpos // 8
    head = reactor()["alive"]
    end = int(head.address)
    node = head["next"]
    while int(node) != end:
        address = int(node) - offset
        yield gdb.Value(address).cast(fiber_type.pointer()).dereference()
        node = node.dereference()["next"]


def saved_frame(fiber):
    """Stack pointer and instruction pointer after the switch back, and the saved registers."""
    sp = int(fiber["context"]["stack_pointer"])
    word = gdb.lookup_type("unsigned long").pointer()
    words = gdb.Value(sp).cast(word)
    registers = {name: int(words[i]) for i, name in enumerate(SAVED)}
    return sp + 7 * 8, int(words[6]), registers


@contextlib.contextmanager
def standing_in(fiber):
    """Loads the registers that the fiber saved into the selected thread, and puts the thread's own back."""
    sp, pc, registers = saved_frame(fiber)
    wanted = {**registers, "rsp": sp, "rip": pc}
    gdb.execute("select-frame 0")
    before = {name: int(gdb.parse_and_eval("(unsigned long)$" + name)) for name in wanted}
    try:
        for name, value in wanted.items():
            gdb.execute("set $%s = %d" % (name, value))
        yield
    finally:
        for name, value in before.items():
            try:
                gdb.execute("set $%s = %d" % (name, value))
            except gdb.error:
                pass


def function_at(pc):
    block = gdb.block_for_pc(pc)
    while block and not block.function:
        block = block.superblock
    return block.function.name if block else hex(pc)


def where(fiber):
    """The innermost function outside of the reactor, with its line: what the fiber was doing when it began to wait."""
    try:
        with standing_in(fiber):
            frame = gdb.newest_frame()
            while frame is not None and frame.is_valid():
                line = frame.find_sal()
                if frame.name() and line.symtab and "/reactor/" not in line.symtab.filename:
                    return "%s (%s:%d)" % (frame.name(), os.path.basename(line.symtab.filename), line.line)
                frame = frame.older()
    except gdb.error:
        pass
    return function_at(saved_frame(fiber)[1])


def backtrace(fiber):
    state = STATES[int(fiber["state"])]
    print("fiber %d \"%s\" %s" % (int(fiber["id"]), fiber["name"].string(), state))
    if state == "running":
        gdb.execute("backtrace")
        return
    try:
        with standing_in(fiber):
            gdb.execute("backtrace")
    except gdb.error as error:
        print("  innermost: %s (registers cannot be set: %s)" % (where(fiber), error))


class InfoFibers(gdb.Command):
    """All fibers of the selected thread's reactor."""

    def __init__(self):
        super().__init__("info fibers", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        for fiber in fibers():
            state = STATES[int(fiber["state"])]
            place = where(fiber) if state in ("ready", "suspended") else ""
            flags = " cancelled" if bool(fiber["cancelled"]) else ""
            print("%8d %-10s %-24s %s%s" % (int(fiber["id"]), state, fiber["name"].string(), place, flags))


class Fiber(gdb.Command):
    """Backtrace of a fiber by its id, or of all."""

    def __init__(self):
        super().__init__("fiber", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        wanted = argument.strip()
        found = False
        for fiber in list(fibers()):
            if wanted == "all" or wanted == str(int(fiber["id"])):
                backtrace(fiber)
                found = True
        if not found:
            raise gdb.GdbError("no fiber %s here; info fibers lists them" % wanted)


InfoFibers()
Fiber()
