def publish(d): pass
