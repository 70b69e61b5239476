from bank.command import main

main(prog_name="python -m bank")
