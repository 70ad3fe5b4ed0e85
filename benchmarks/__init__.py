"""What the service costs, measured beside a floor that nothing can beat: see __main__."""
