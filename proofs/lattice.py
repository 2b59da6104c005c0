#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Prove the laws of the lattice of authority for the definitions in kernel/cap/lattice.h themselves.

usage: lattice.py [--self-test] [HEADER]

The header is parsed (a small recursive-descent parser for the subset of C that its inline functions use; anything else is an error)
and each function becomes a term over 64-bit vectors, so a change of the header changes what is proved.  The
translation is compared with the compiler's on random vectors.  Each law prints `ok - ...` or `not ok - ...` with a counterexample.

Elements that allow nothing (lattice_is_bottom) are one element, the bottom: `a ~ b` means a <= b and b <= a.

--self-test plants faults into the header's text; each must be found by at least one law.

What the proof of "no gain" covers: the tree of capabilities as kernel/cap changes it, with the state abstracted to
functions (live, parent, object, may) of an unbounded set of capabilities.  The invariant is proved to be preserved by each
operation for arbitrary state; its instances at the capabilities that an operation touches suffice, so no quantifier is left.
"""
import os
import random
import re
import subprocess
import sys
import tempfile

import z3

HEADER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "kernel", "cap", "lattice.h")
FIELDS = ("auth", "lo", "hi")


# ---- translation ----

class Untranslatable(Exception):
    pass


TOKEN = re.compile(r"\s*(?:(0[xX][0-9a-fA-F]+|\d+)([uUlL]*)|([A-Za-z_]\w*)|(<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^~!<>=?:;,.(){}]))")


def tokens(text):
    out, at = [], 0
    text = text.rstrip()
    while at < len(text):
        m = TOKEN.match(text, at)
        if not m:
            raise Untranslatable("cannot read: " + text[at:at + 40].strip())
        if m.group(1):
            if "u" not in m.group(2).lower() and int(m.group(1), 0) > 0x7fffffff:
                raise Untranslatable("a large constant without u: " + m.group(1))
            out.append(("number", int(m.group(1), 0)))
        elif m.group(3):
            out.append(("name", m.group(3)))
        else:
            out.append(("op", m.group(4)))
        at = m.end()
    out.append(("end", ""))
    return out


# Binary operators by precedence, loosest first.
LEVELS = [["||"], ["&&"], ["|"], ["^"], ["&"], ["==", "!="], ["<", ">", "<=", ">="], ["<<", ">>"], ["+", "-"]]


class Parser:
    """Parses to nested tuples."""

    def __init__(self, text):
        self.t, self.i = tokens(text), 0

    def peek(self):
        return self.t[self.i]

    def take(self, kind=None, value=None):
        t = self.t[self.i]
        if (kind and t[0] != kind) or (value is not None and t[1] != value):
            raise Untranslatable(f"expected {value or kind}, found {t[1]!r}")
        self.i += 1
        return t[1]

    def has(self, value):
        if self.peek() in (("op", value), ("name", value)):
            self.i += 1
            return True
        return False

    def expr(self):
        c = self.binary(0)
        if not self.has("?"):
            return c
        yes = self.expr()
        self.take("op", ":")
        return ("if", c, yes, self.expr())

    def binary(self, level):
        if level == len(LEVELS):
            return self.unary()
        left = self.binary(level + 1)
        while self.peek()[0] == "op" and self.peek()[1] in LEVELS[level]:
            op = self.take()
            left = ("binary", op, left, self.binary(level + 1))
        return left

    def unary(self):
        for op in "!~":
            if self.has(op):
                return ("unary", op, self.unary())
        return self.postfix()

    def postfix(self):
        kind, value = self.peek()
        if kind == "number":
            self.take()
            return ("number", value)
        if self.has("("):
            e = self.expr()
            self.take("op", ")")
        else:
            name = self.take("name")
            if self.has("("):
                args = []
                while not self.has(")"):
                    args.append(self.expr())
                    if self.peek() != ("op", ")"):
                        self.take("op", ",")
                e = ("call", name, args)
            else:
                e = ("name", name)
        while self.has("."):
            e = ("field", e, self.take("name"))
        return e

    def type(self):
        if self.has("struct"):
            self.take("name", "authority")
            return "authority"
        t = self.take("name")
        if t not in ("u64", "bool"):
            raise Untranslatable("type " + t)
        return t

    def function(self):
        self.take("name", "static")
        self.take("name", "inline")
        result, name, params = self.type(), self.take("name"), []
        self.take("op", "(")
        while not self.has(")"):
            t = self.type()
            params.append((t, self.take("name")))
            if self.peek() != ("op", ")"):
                self.take("op", ",")
        self.take("op", "{")
        body = []
        while not self.has("}"):
            body.append(self.statement())
        if not body or body[-1][0] != "return" or any(s[0] == "return" for s in body[:-1]):
            raise Untranslatable(name + ": one return, at the end, is expected")
        return name, result, params, body

    def statement(self):
        if self.has("return"):
            e = self.expr()
            self.take("op", ";")
            return ("return", e)
        t, name = self.type(), None
        name = self.take("name")
        self.take("op", "=")
        if t == "authority" and self.has("{"):
            fields = {}
            while not self.has("}"):
                self.take("op", ".")
                f = self.take("name")
                self.take("op", "=")
                fields[f] = self.expr()
                if self.peek() != ("op", "}"):
                    self.take("op", ",")
            e = ("struct", fields)
        else:
            e = self.expr()
        self.take("op", ";")
        return ("let", t, name, e)


def is_bool(v):
    return isinstance(v, z3.BoolRef)


def truth(v):
    return v if is_bool(v) else v != z3.BitVecVal(0, 64)


def word(v):
    return z3.If(v, z3.BitVecVal(1, 64), z3.BitVecVal(0, 64)) if is_bool(v) else v


class Header:
    """The functions of the header as Python functions on z3 terms; an authority is a dict of three words."""

    def __init__(self, text):
        text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
        self.plain = re.sub(r"^\s*#\s*include.*$", "", text, flags=re.M)
        self.constants = {}
        for m in re.finditer(r"^\s*#\s*define\s+(\w+)[ \t]+(\S.*)$", text, re.M):
            p = Parser(m.group(2))
            self.constants[m.group(1)] = p.expr()
            p.take("end")
        text = re.sub(r"^\s*#.*$", "", text, flags=re.M)
        m = re.match(r"\s*struct\s+authority\s*\{([^}]*)\}\s*;", text)
        if not m or sorted(re.findall(r"\w+", m.group(1).replace("u64", " "))) != sorted(FIELDS):
            raise Untranslatable("struct authority is not three words auth, lo, hi")
        self.functions = {}
        p = Parser(text[m.end():])
        while p.peek()[0] != "end":
            name, result, params, body = p.function()
            self.functions[name] = (result, params, body)

    def call(self, name, *args):
        if name not in self.functions:
            raise Untranslatable("no function " + name)
        result, params, body = self.functions[name]
        if len(args) != len(params):
            raise Untranslatable(name + ": number of arguments")
        env = {}
        for (t, n), a in zip(params, args):
            env[n] = self.convert(t, a)
        for s in body[:-1]:
            env[s[2]] = self.convert(s[1], self.value(s[3], env))
        return self.convert(result, self.value(body[-1][1], env))

    @staticmethod
    def convert(t, v):
        if (t == "authority") != isinstance(v, dict):
            raise Untranslatable("an authority where a word is expected, or the reverse")
        return v if t == "authority" else truth(v) if t == "bool" else word(v)

    def value(self, e, env):
        kind = e[0]
        if kind == "number":
            return z3.BitVecVal(e[1], 64)
        if kind == "name":
            if e[1] in env:
                return env[e[1]]
            if e[1] in self.constants:
                return self.value(self.constants[e[1]], {})
            raise Untranslatable("unknown name " + e[1])
        if kind == "field":
            v = self.value(e[1], env)
            if not isinstance(v, dict) or e[2] not in v:
                raise Untranslatable("unknown field " + e[2])
            return v[e[2]]
        if kind == "struct":
            if sorted(e[1]) != sorted(FIELDS):
                raise Untranslatable("an authority with other fields than auth, lo, hi")
            return {f: word(self.value(x, env)) for f, x in e[1].items()}
        if kind == "call":
            return self.call(e[1], *[self.value(a, env) for a in e[2]])
        if kind == "if":
            c, a, b = (self.value(x, env) for x in e[1:])
            if isinstance(a, dict):
                return {f: z3.If(truth(c), a[f], b[f]) for f in FIELDS}
            return z3.If(truth(c), a, b) if is_bool(a) and is_bool(b) else z3.If(truth(c), word(a), word(b))
        if kind == "unary":
            v = self.value(e[2], env)
            return z3.Not(truth(v)) if e[1] == "!" else ~word(v)
        op, a, b = e[1], self.value(e[2], env), self.value(e[3], env)
        if op == "||":
            return z3.Or(truth(a), truth(b))
        if op == "&&":
            return z3.And(truth(a), truth(b))
        a, b = word(a), word(b)
        return {"|": lambda: a | b, "^": lambda: a ^ b, "&": lambda: a & b, "==": lambda: a == b, "!=": lambda: a != b,
                "<": lambda: z3.ULT(a, b), ">": lambda: z3.UGT(a, b), "<=": lambda: z3.ULE(a, b),
                ">=": lambda: z3.UGE(a, b), "<<": lambda: a << b, ">>": lambda: z3.LShR(a, b),
                "+": lambda: a + b, "-": lambda: a - b}[op]()


# ---- the translation against the compiler ----

def sample(rng):
    near = [0, 1, 2, 3, 0x3f, 0xffff00, 0xffff << 32, 2**63 - 1, 2**63, 2**64 - 2, 2**64 - 1]
    if rng.random() < 0.4:
        return rng.choice(near)
    return rng.getrandbits(64) if rng.random() < 0.5 else rng.getrandbits(4)


def compare_with_compiler(h, count=400):
    """Evaluate all four functions both ways; None or what differs."""
    rng = random.Random(1)
    vectors = [[sample(rng) for _ in range(9)] for _ in range(count)]
    for v in vectors[::2]:  # elements that are related more often than chance
        v[3], v[0] = v[3] | v[0] | 0x3f | 0xff << 32 | 0xff00, v[0] | 0x100000101
    program = "#include <stdbool.h>\n#include <stdio.h>\ntypedef unsigned long long u64;\n" + h.plain + r"""
static u64 in[][9] = {
""" + ",\n".join("{" + ",".join(f"{x}ull" for x in v) + "}" for v in vectors) + r"""};
int main(void)
{
    for (unsigned i = 0; i < sizeof(in) / sizeof(in[0]); i++) {
        struct authority a = {in[i][0], in[i][1], in[i][2]}, b = {in[i][3], in[i][4], in[i][5]};
        struct authority m = lattice_meet(a, b);
        printf("%d %d %llu %llu %llu %d\n", lattice_is_bottom(a), lattice_leq(a, b), m.auth, m.lo, m.hi,
               lattice_allows(b, in[i][6], in[i][7], in[i][8]));
    }
}
"""
    with tempfile.TemporaryDirectory() as d:
        with open(os.path.join(d, "t.c"), "w") as f:
            f.write(program)
        subprocess.run(["gcc", "-std=c17", "-o", d + "/t", d + "/t.c"], check=True)
        lines = subprocess.run([d + "/t"], check=True, capture_output=True, text=True).stdout.splitlines()
    for v, line in zip(vectors, lines, strict=True):
        bv = [z3.BitVecVal(x, 64) for x in v]
        a, b = dict(zip(FIELDS, bv[0:3])), dict(zip(FIELDS, bv[3:6]))
        m = h.call("lattice_meet", a, b)
        got = [h.call("lattice_is_bottom", a), h.call("lattice_leq", a, b), m["auth"], m["lo"], m["hi"],
               h.call("lattice_allows", b, *bv[6:9])]
        got = [z3.simplify(g) for g in got]
        got = [int(z3.is_true(g)) if is_bool(g) else g.as_long() for g in got]
        if got != [int(x) for x in line.split()]:
            return f"{v}: compiler {line}, translation {got}"
    return None


# ---- the laws ----

def element(name):
    return {f: z3.BitVec(f"{name}.{f}", 64) for f in FIELDS}


def same(a, b):
    return z3.And(*[a[f] == b[f] for f in FIELDS])


class Laws:
    def __init__(self, header, fault=None):
        self.h, self.fault = header, fault

    def bottom(self, a):
        return self.h.call("lattice_is_bottom", a)

    def leq(self, a, b):
        return self.h.call("lattice_leq", a, b)

    def meet(self, a, b):
        return self.h.call("lattice_meet", a, b)

    def allows(self, *args):
        return self.h.call("lattice_allows", *args)

    def equal(self, a, b):
        return z3.And(self.leq(a, b), self.leq(b, a))

    def join(self, a, b):
        """Not in the kernel: union of the bits and hull of the intervals; the bottom adds nothing."""
        ab, bb = self.bottom(a), self.bottom(b)
        hull = {"auth": a["auth"] | b["auth"], "lo": z3.If(z3.ULT(a["lo"], b["lo"]), a["lo"], b["lo"]),
                "hi": z3.If(z3.UGT(a["hi"], b["hi"]), a["hi"], b["hi"])}
        return {f: z3.If(ab, b[f], z3.If(bb, a[f], hull[f])) for f in FIELDS}

    def order(self):
        a, b, c = element("a"), element("b"), element("c")
        leq, bot, imp, And = self.leq, self.bottom, z3.Implies, z3.And
        yield "leq is reflexive", leq(a, a)
        yield "leq is transitive", imp(And(leq(a, b), leq(b, c)), leq(a, c))
        yield ("leq is antisymmetric: a <= b and b <= a only if identical, or both the bottom",
               imp(And(leq(a, b), leq(b, a)), z3.Or(same(a, b), And(bot(a), bot(b)))))
        yield "the bottom is below everything", imp(bot(a), leq(a, b))
        yield "only the bottom is below the bottom", imp(And(leq(a, b), bot(b)), bot(a))
        yield ("a <= b, a not the bottom, means inclusion in class, kinds, rights and interval",
               imp(And(leq(a, b), z3.Not(bot(a))),
                   And(a["auth"] & ~b["auth"] == 0, z3.UGE(a["lo"], b["lo"]), z3.ULE(a["hi"], b["hi"]))))
        cls, kinds, rights = (self.h.value(self.h.constants["LATTICE_" + n], {}) for n in ("CLASS", "KINDS", "RIGHTS"))
        yield ("the bottom is exactly: no class, no kind, no right or an empty interval",
               bot(a) == z3.Or(a["auth"] & cls == 0, a["auth"] & kinds == 0, a["auth"] & rights == 0,
                               z3.UGE(a["lo"], a["hi"])))
        yield "class, kinds and rights do not overlap", And(cls & kinds == 0, cls & rights == 0, kinds & rights == 0)

    def meets(self):
        a, b, c, d = (element(n) for n in "abcd")
        leq, meet, imp, And = self.leq, self.meet, z3.Implies, z3.And
        yield "meet is idempotent (exactly)", same(meet(a, a), a)
        yield "meet is commutative (exactly)", same(meet(a, b), meet(b, a))
        yield "meet is associative (exactly)", same(meet(meet(a, b), c), meet(a, meet(b, c)))
        yield "meet is a lower bound", And(leq(meet(a, b), a), leq(meet(a, b), b))
        yield "meet is the greatest lower bound", imp(And(leq(c, a), leq(c, b)), leq(c, meet(a, b)))
        yield "a <= b exactly if meet(a, b) ~ a", leq(a, b) == self.equal(meet(a, b), a)
        yield "meet with the bottom is the bottom", imp(self.bottom(b), self.bottom(meet(a, b)))
        yield ("derive is monotone: a <= b and c <= d give meet(a, c) <= meet(b, d)",
               imp(And(leq(a, b), leq(c, d)), leq(meet(a, c), meet(b, d))))

    def joins(self):
        a, b, c = element("a"), element("b"), element("c")
        leq, meet, join, eq, imp, And = self.leq, self.meet, self.join, self.equal, z3.Implies, z3.And
        yield "join is idempotent, up to ~", eq(join(a, a), a)
        yield "join is commutative, up to ~", eq(join(a, b), join(b, a))
        yield "join is associative, up to ~", eq(join(join(a, b), c), join(a, join(b, c)))
        yield "join is the least upper bound", And(leq(a, join(a, b)), leq(b, join(a, b)),
                                                   imp(And(leq(a, c), leq(b, c)), leq(join(a, b), c)))
        yield "absorption: meet(a, join(a, b)) ~ a", eq(meet(a, join(a, b)), a)
        yield "absorption: join(a, meet(a, b)) ~ a", eq(join(a, meet(a, b)), a)

    def checks(self):
        held, parent = element("held"), element("parent")
        need, lo, hi, less, lo2, hi2 = (z3.BitVec(n, 64) for n in ("need", "lo", "hi", "less", "lo2", "hi2"))
        imp, And = z3.Implies, z3.And
        cls, kinds, rights = (self.h.value(self.h.constants["LATTICE_" + n], {}) for n in ("CLASS", "KINDS", "RIGHTS"))
        yield ("what a capability allows, its parent allows: held <= parent, held not the bottom",
               imp(And(self.leq(held, parent), z3.Not(self.bottom(held)), self.allows(held, need, lo, hi)),
                   self.allows(parent, need, lo, hi)))
        yield ("the bottom allows nothing that names a class, a kind and a right",
               imp(And(self.bottom(held), need & cls != 0, need & kinds != 0, need & rights != 0),
                   z3.Not(self.allows(held, need, lo, hi))))
        yield ("allows is monotone in what is needed",
               imp(And(self.allows(held, need, lo, hi), less & ~need == 0, z3.ULE(lo, lo2), z3.ULT(lo2, hi2),
                       z3.ULE(hi2, hi)), self.allows(held, less, lo2, hi2)))
        yield "allows is what leq says of the needed element", imp(
            And(need & cls != 0, need & kinds != 0, need & rights != 0, z3.ULT(lo, hi)),
            self.allows(held, need, lo, hi) == self.leq({"auth": need, "lo": lo, "hi": hi}, held))
        yield "an empty interval is never allowed", imp(z3.UGE(lo, hi), z3.Not(self.allows(held, need, lo, hi)))

    # ---- no gain ----
    #
    # A state gives each capability c: live, has_parent, parent, object, may, and two ghosts: origin, the root of its object's
    # authority, and rank of its object (objects made later have higher ranks).  The root capabilities of the machine at
    # boot, and the first capability on each new object, are origins: what they allow is new only for a new object.

    def state(self, name):
        cap, obj = self.cap, self.obj
        f = {n: z3.Function(f"{name}.{n}", cap, s) for n, s in
             (("live", z3.BoolSort()), ("has_parent", z3.BoolSort()), ("parent", cap), ("object", obj), ("origin", cap))}
        words = {x: z3.Function(f"{name}.{x}", cap, z3.BitVecSort(64)) for x in FIELDS}
        roots = {x: z3.Function(f"{name}.root.{x}", cap, z3.BitVecSort(64)) for x in FIELDS}
        f["may"] = lambda c: {x: words[x](c) for x in FIELDS}
        f["root"] = lambda c: {x: roots[x](c) for x in FIELDS}
        return f

    def invariant(self, s, c):
        p = s["parent"](c)
        inherits = z3.And(s["object"](p) == s["object"](c), s["origin"](p) == s["origin"](c),
                          self.leq(s["may"](c), s["may"](p)))
        first = self.rank(s["object"](p)) < self.rank(s["object"](c))
        return z3.Implies(s["live"](c), z3.And(
            z3.Not(self.bottom(s["may"](c))),
            self.leq(s["may"](c), s["root"](s["origin"](c))),
            z3.Implies(s["has_parent"](c), z3.And(s["live"](p), z3.If(s["origin"](c) == c, first, inherits)))))

    def unchanged(self, s, t, c, but=()):
        keep = [s[n](c) == t[n](c) for n in ("live", "has_parent", "parent", "object", "origin") if n not in but]
        keep += [same(s["may"](c), t["may"](c))] if "may" not in but else []
        return z3.And(*keep)

    def no_gain(self):
        self.hypotheses = []
        self.cap, self.obj = z3.DeclareSort("Cap"), z3.DeclareSort("Object")
        self.rank = z3.Function("rank", self.obj, z3.IntSort())
        s, t = self.state("before"), self.state("after")
        c, x, p = (z3.Const(n, self.cap) for n in ("c", "x", "p"))
        inv, imp, And, Not = self.invariant, z3.Implies, z3.And, z3.Not
        ask = element("ask")

        def step(*facts, touched):
            """The invariant before, at the capabilities that the step touches, gives the invariant after, at any c."""
            old = [inv(s, k) for k in touched] + [inv(s, s["parent"](k)) for k in touched]
            self.hypotheses.append(And(*old, *facts, s["live"](c), t["live"](c), t["has_parent"](c)))
            return imp(And(*old, *facts), inv(t, c))

        keep_root = lambda k: same(s["root"](k), t["root"](k))
        # derive and grant: x is new, below p.
        made = ask if self.fault == "derive" else self.meet(s["may"](p), ask)
        yield "no gain: derive and grant keep the invariant", step(
            s["live"](p), Not(s["live"](x)), Not(self.bottom(made)),
            t["live"](x), t["has_parent"](x), t["parent"](x) == p, t["object"](x) == s["object"](p),
            t["origin"](x) == s["origin"](p), same(t["may"](x), made),
            *[imp(s["live"](k), s["origin"](k) != x) for k in (c, p)],  # P2: x was never in use
            *[imp(k != x, self.unchanged(s, t, k)) for k in (c, p, s["parent"](c))],
            *[keep_root(s["origin"](k)) for k in (c, p)], touched=[c, p])
        # making an object: x is the first capability on a new one.
        yield "no gain: a first capability on a new object keeps the invariant", step(
            s["live"](p), Not(s["live"](x)), t["live"](x), t["has_parent"](x), t["parent"](x) == p, t["origin"](x) == x,
            self.rank(s["object"](p)) < self.rank(t["object"](x)), Not(self.bottom(t["may"](x))),
            same(t["root"](x), t["may"](x)),
            imp(s["live"](c), s["origin"](c) != x),  # P2
            *[imp(k != x, self.unchanged(s, t, k)) for k in (c, p, s["parent"](c))],
            imp(s["origin"](c) != x, keep_root(s["origin"](c))), touched=[c, p])
        # delete: x goes; its children get its parent.  P7: x is not the first on its object, unless it is a boot root.
        moved = And(s["has_parent"](c), s["parent"](c) == x)
        yield "no gain: delete keeps the invariant", step(
            s["live"](x), Not(t["live"](x)),
            imp(s["has_parent"](x), s["origin"](x) != x) if self.fault != "delete" else z3.BoolVal(True),
            *[imp(k != x, self.unchanged(s, t, k, ("has_parent", "parent"))) for k in (c, s["parent"](c), s["parent"](x))],
            s["parent"](x) != x,
            imp(c != x, z3.If(moved, And(t["has_parent"](c) == s["has_parent"](x), t["parent"](c) == s["parent"](x)),
                              And(t["has_parent"](c) == s["has_parent"](c), t["parent"](c) == s["parent"](c)))),
            *[keep_root(s["origin"](k)) for k in (c, x)], touched=[c, x])
        # revoke: `gone` is what is below x, but what is spared (first capabilities of domains and vCPUs), which x gets.
        gone, spared = (z3.Function(n, self.cap, z3.BoolSort()) for n in ("gone", "spared"))
        orphan = And(s["has_parent"](c), gone(s["parent"](c)))
        revoke = [
            s["live"](x), Not(gone(x)),
            imp(And(orphan, s["live"](c)), z3.Or(gone(c), spared(c))),
            imp(spared(c), s["origin"](c) == c) if self.fault != "revoke" else z3.BoolVal(True),
            imp(gone(s["parent"](c)), self.rank(s["object"](x)) <= self.rank(s["object"](s["parent"](c)))),
            *[t["live"](k) == And(s["live"](k), Not(gone(k))) for k in (c, x, s["parent"](c))],
            *[self.unchanged(s, t, k, ("live", "has_parent", "parent")) for k in (c, x, s["parent"](c))],
            t["has_parent"](c) == s["has_parent"](c), t["parent"](c) == z3.If(orphan, x, s["parent"](c)),
            keep_root(s["origin"](c))]
        yield "no gain: revoke keeps the invariant", step(*revoke, touched=[c, x])
        yield ("no gain: what is below a capability has no older object (lemma of revoke)",
               imp(And(inv(s, c), s["live"](c), s["has_parent"](c),
                       self.rank(s["object"](x)) <= self.rank(s["object"](s["parent"](c)))),
                   self.rank(s["object"](x)) <= self.rank(s["object"](c))))
        # destroy: x and all below it go.
        yield "no gain: destroy keeps the invariant", step(
            gone(x), imp(And(s["has_parent"](c), gone(s["parent"](c))), gone(c)),
            *[t["live"](k) == And(s["live"](k), Not(gone(k))) for k in (c, s["parent"](c))],
            *[self.unchanged(s, t, k, ("live",)) for k in (c, s["parent"](c))], keep_root(s["origin"](c)), touched=[c, x])
        # The start: only roots, each its own origin.
        yield "no gain: the invariant holds at boot", imp(
            And(imp(s["live"](c), And(Not(s["has_parent"](c)), s["origin"](c) == c, Not(self.bottom(s["may"](c))),
                                      same(s["root"](c), s["may"](c))))), inv(s, c))
        need, lo, hi = (z3.BitVec(n, 64) for n in ("need", "lo", "hi"))
        yield ("no gain: the hypotheses of each step can be met (the proofs are not vacuous)",
               z3.BoolVal(all(satisfiable(h) for h in self.hypotheses)))
        yield "no gain: what any live capability allows, its root allows", imp(
            And(inv(s, c), s["live"](c), self.allows(s["may"](c), need, lo, hi)),
            self.allows(s["root"](s["origin"](c)), need, lo, hi))

    def all(self):
        for group in (self.order, self.meets, self.joins, self.checks, self.no_gain):
            yield from group()


def satisfiable(claim):
    solver = z3.Solver()
    solver.set("timeout", 30000)
    solver.add(claim)
    return solver.check() == z3.sat


def prove(claim):
    """None if it holds; else a counterexample, or why there is no answer."""
    solver = z3.Solver()
    solver.set("timeout", 30000)
    solver.add(z3.Not(claim))
    answer = solver.check()
    if answer == z3.unsat:
        return None
    if answer == z3.unknown:
        return "no answer: " + solver.reason_unknown()
    model = solver.model()
    parts = [f"{d.name()}={model[d].as_long():#x}" for d in sorted(model.decls(), key=lambda d: d.name())
             if d.arity() == 0 and isinstance(model[d], z3.BitVecNumRef)]
    return " ".join(parts) or "a state of the tree"


def run(text):
    bad = 0
    header = Header(text)
    difference = compare_with_compiler(header)
    print(f"{'not ok' if difference else 'ok'} - the translation of the header agrees with the compiler")
    if difference:
        print("# " + difference)
        bad += 1
    laws = Laws(header)
    for name, claim in laws.all():
        failure = prove(claim)
        print(f"{'not ok' if failure else 'ok'} - {name}")
        if failure:
            print("# counterexample: " + failure)
            bad += 1
    # Said for completeness: with hulls of intervals the lattice is not distributive; nothing depends on it.
    a, b, c = element("a"), element("b"), element("c")
    if prove(laws.equal(laws.meet(a, laws.join(b, c)), laws.join(laws.meet(a, b), laws.meet(a, c)))) is None:
        print("# distributive, too")
    return bad


FAULTS = [
    ("meet takes the union of the bits", ".auth = a.auth & b.auth", ".auth = a.auth | b.auth"),
    ("meet takes the smaller lo", ".lo = a.lo > b.lo ? a.lo : b.lo", ".lo = a.lo < b.lo ? a.lo : b.lo"),
    ("meet takes the other's hi", ".hi = a.hi < b.hi ? a.hi : b.hi", ".hi = b.hi"),
    ("leq forgets the complement", "(a.auth & ~b.auth) == 0", "(a.auth & b.auth) == 0"),
    ("leq compares hi the wrong way", "a.hi <= b.hi)", "a.hi >= b.hi)"),
    ("leq forgets lo", "== 0 && a.lo >= b.lo &&", "== 0 &&"),
    ("leq calls the bottom only a lower one", "lattice_is_bottom(a) || ", ""),
    ("the empty interval is not the bottom", " || a.lo >= a.hi", ""),
    ("the bottom needs all of class, kind and right to be absent", "|| !(a.auth & LATTICE_KINDS) ||", "&& !(a.auth & LATTICE_KINDS) ||"),
    ("kinds overlap rights", "#define LATTICE_KINDS 0x0000000000ffff00ull", "#define LATTICE_KINDS 0x000000ffffffff00ull"),
    ("allows forgets the needed bits", "(need & ~held.auth) == 0 && ", ""),
    ("allows compares lo the wrong way", "lo >= held.lo", "lo <= held.lo"),
    ("allows takes an empty interval", "lo < hi && ", ""),
]


TREE_FAULTS = [
    ("derive gives what is asked", "derive"),
    ("the first capability on an object can be deleted", "delete"),
    ("revoke spares what is no first capability", "revoke"),
]


def self_test(text):
    bad = 0
    for name, fault in TREE_FAULTS:
        found = [law for law, claim in Laws(Header(text), fault).no_gain() if prove(claim)]
        print(f"{'ok' if found else 'not ok'} - planted fault is found: {name}")
        print(f"# by: {found[0]}" if found else "# by no law")
        bad += not found
    for name, old, new in FAULTS:
        pattern = re.sub(r"(\\ )+", r"\\s+", re.escape(old))  # lines may be broken anywhere
        faulty, places = re.subn(pattern, new, text)
        if places != 1:
            print(f"not ok - planted fault: {name}: its text is not in the header once")
            bad += 1
            continue
        laws = Laws(Header(faulty))
        found = None
        for law, claim in laws.all():
            witness = prove(claim)
            if witness:
                found = (law, witness)
                break
        print(f"{'ok' if found else 'not ok'} - planted fault is found: {name}")
        if found:
            print(f"# by the law \"{found[0]}\": {found[1]}")
        else:
            bad += 1
    try:
        Header(text.replace("return m;", "while (1) { } return m;"))
        print("not ok - what cannot be translated is refused")
        bad += 1
    except Untranslatable:
        print("ok - what cannot be translated is refused")
    return bad


def main():
    args = sys.argv[1:]
    test = "--self-test" in args
    paths = [a for a in args if a != "--self-test"]
    if len(paths) > 1 or any(a.startswith("-") for a in paths):
        sys.exit(__doc__)
    with open(paths[0] if paths else HEADER) as f:
        text = f.read()
    try:
        bad = self_test(text) if test else run(text)
    except Untranslatable as error:
        print(f"not ok - the header is in the subset of C that can be translated\n# {error}")
        bad = 1
    sys.exit(bad != 0)


main()
