"""The text that the model of this example learns, one sentence to a line."""

POEM = """\
the river wakes before the town and carries off the night
a heron stands on silver stones and waits for early light
the baker lights his oven first and whistles to the flame
the bells above the harbour wall repeat the morning's name
old boats come home with empty nets and stories full of rain
a child draws faces on the glass inside a passing train
the market fills with yellow fruit and voices sharp and clear
my grandmother buys seven plums on each day of the year
at noon the shadows hide themselves beneath the chestnut trees
two letters from a distant coast bring salt and summer breeze
the cat that owns the library sleeps on the longest word
the teacher opens up her hands and frees a paper bird
when evening comes the windows glow like honey in the comb
the wind that left at break of day has found its own way home
we count the stars above the roofs and never reach the end
the moon leans down on every door and greets it like a friend
"""
