"""What a destination is to be sent at a time, and what it was sent."""
import collections


def shape(match, **limits):
    return {"match": match, **limits}


def by_second(moments, began):
    """How many in each second since."""
    counts = collections.Counter(int(at - began) for at in moments if at >= began)
    return [counts[second] for second in range(max(counts, default=-1) + 1)]


def most_within(moments, span):
    """The most in any span of so many seconds."""
    moments, first, most = sorted(moments), 0, 0
    for place, at in enumerate(moments):
        while at - moments[first] >= span:
            first += 1
        most = max(most, place - first + 1)
    return most
